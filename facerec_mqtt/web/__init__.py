"""The page: who came, who is here, strangers, people, the model, cameras, in a browser.

A process of its own, which the service supervises; it reads the rest only through what the packages offer,
and the service works without it.
"""
