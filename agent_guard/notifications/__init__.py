"""Who is told: of questions that wait, and of what operators must hear; signed, and believed once."""
