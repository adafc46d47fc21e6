"""Pictures of a network: one layered layout, and skins for the terminal and for SVG."""
