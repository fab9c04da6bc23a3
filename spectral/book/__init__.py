"""The book: its chapters' machinery, figures, claims and what is measured for them.

Only here are matplotlib and notebooks known.
"""
