"""Where notices to colleagues go: the embedded outbox, or one Slack channel."""
