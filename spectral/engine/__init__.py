"""How students are trained: on each core of the CPU by a compiled kernel, or all at once in PyTorch."""
