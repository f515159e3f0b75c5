"""The tests.  ``HYPOTHESIS_PROFILE=fast`` has fewer examples tried, for those who wait for the answer."""

import os

from hypothesis import settings

settings.register_profile("fast", max_examples=10)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
