// Package published holds scenarios in which a search finds bugs that other people
// have had, have fixed and have made public. This module requires the versions with
// the bugs; the module in fixed requires the versions with the fixes, and runs
// the same scenarios.
package published
