"""Where mail to customers goes: the embedded outbox, one SMTP server, or the drafts of one mailbox."""
