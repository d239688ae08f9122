"""The LangGraph side in parts: state, view, questions and answers as they cross the wire."""
