"""What makes ``twistd mxisd`` work."""

from twisted.application.service import ServiceMaker

mxisd = ServiceMaker("mxisd", "mxisd.tap", "A federated Matrix identity server", "mxisd")
