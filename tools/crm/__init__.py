"""The CRM behind the tools: its port (``port``), an embedded one (``sql``) and data to try it with (``seed``)."""
