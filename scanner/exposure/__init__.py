"""What can be reached, seen from both sides: what a host says listens, and what is open when looked at from outside.

    listening, keys   facts of a host: sockets with process, program and package; keys that open other hosts
    outside           what a look from outside brought back, by viewpoint
    sights            the few facts of one visit that others are held against
    rules             what two to four such facts together mean, as controls of the made-up baseline `exposure`

Pure: evidence in, findings out. docs/exposure.md describes every rule.
"""
