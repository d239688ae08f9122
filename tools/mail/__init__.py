"""Where mail to customers goes: the embedded outbox, or one SMTP server."""
