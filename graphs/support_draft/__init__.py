"""Support: reads a ticket, searches the knowledge base, drafts an answer that a manager sends (A27)."""
