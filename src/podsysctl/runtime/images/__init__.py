"""Images without a registry: the toolbox from the machine's own binaries, archives, and short-name aliases.

`toolbox` chooses the files, `elf` finds the libraries they need, `archive` writes them as an OCI image, `pause`
is the process that holds a sandbox open, `local` puts archives into the runtime, `reference` and `aliases` say
which image a name means. When an alias may be used is the node agent's business.
"""
