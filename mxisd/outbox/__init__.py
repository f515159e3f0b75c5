"""The outbox: deliveries are queued together with the change that they are about; workers make them."""
