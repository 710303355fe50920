"""Our API server beside another one: the same requests, the answers compared byte by byte."""
