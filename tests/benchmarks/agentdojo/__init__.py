"""AgentDojo's recorded runs under several policies, scored by AgentDojo's own checkers.

What is judged is open loop: a refused call is taken out, the rest of the run is executed as it was recorded. So it shows which attacks and
which work a policy stops, and not what a model would have done instead: an attacked model that is refused might try again otherwise, and an
honest one might find another way.
"""
