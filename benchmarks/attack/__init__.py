"""How much harm a fully compromised model does behind the gateway: AgentDojo replayed without a language model, and
cross-customer calls at the embedded CRM. ``make attack`` prints the figures; what they mean stands beside them.
"""
