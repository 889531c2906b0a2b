package main

import "slices"

// zoo is every entry, by family.
var zoo = slices.Concat(familyA, familyB, familyC, familyD, filters, relays, workers, familyE)
