"""Observes a training that nobody edited: finds its model, optimizer and loss, and watches them."""
