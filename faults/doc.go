// Package faults is the language for everything that a kernel and a network may
// do to a program.
//
// A [Point] is where a world can go more than one way. It has a stable name,
// actor, operation and how-many-th of its kind, as in "conn 2 segment 1", and a
// range: outcomes 0 to n-1, where 0 is always the calm one. A [Source] decides.
// Whoever holds the source holds replay, search, shrinking and fuzzing.
//
// A [Plan] is the calm schedule plus named deviations. It has a text form that
// parses back:
//
//	edgewise plan v1
//	# a client that dribbles its hello
//	conn 2 segment 1: 3 bytes
//	conn 2 delay 2: 15.001s
//	listener 1 accept 4..6: EMFILE
//
// A line "without client 3" leaves a peer of the scenario out; shrinking writes it.
//
// Sources: [Calm], [Plan.Source], [Seed] and [Bytes]; [Recorder] keeps what a
// source was asked. Every outcome is one that Linux or a remote peer could
// produce, except those of operations that are [Op.Hostile]; these are off
// unless asked for.
package faults
