"""Speed and memory: what training costs on this machine, and how it is measured."""
