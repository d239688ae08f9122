"""Small applications that show one thing each."""
