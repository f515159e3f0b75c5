"""The tests.  ``HYPOTHESIS_PROFILE=fast`` has fewer examples tried, for those who wait; ``fuzz`` has many."""

import os

from hypothesis import settings

settings.register_profile("fast", max_examples=10)
settings.register_profile("fuzz", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
