"""The LangGraph side in parts: state, checkpoints, view, questions and answers as they cross the wire."""
