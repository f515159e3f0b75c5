"""The same service as ``twistd mxisd``, for ``twistd -ny mxisd.tac``; MXISD_CONFIG names the configuration file."""

import os

from twisted.application.service import Application

from mxisd.tap import Options, makeService

options = Options()
options.parseOptions(["--config", os.environ.get("MXISD_CONFIG", "mxisd.yaml")])

application = Application("mxisd")
makeService(options).setServiceParent(application)
