"""Growth inside the training loops of other libraries: `.lightning`, `.transformers`, `.accelerate`.

Each of these imports its library, and is imported by nothing else of growsearch.
"""
