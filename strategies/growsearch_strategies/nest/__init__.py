"""What NeST does to connections, neurons and feature maps."""
