"""Video meetings: the port, Zoom, and links for the demo that lead nowhere."""
