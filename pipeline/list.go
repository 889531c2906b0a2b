package pipeline

// links join an object to the list that it is in.
type links[T any] struct {
	prev, next *T
	listed     bool
}

// linked is an object with links.
type linked[T any] interface {
	*T
	node() *links[T]
}

// list is in order of insertion. Objects know their place, so that removal needs
// neither search nor storage.
type list[T any] struct {
	first, last *T
}

func push[T any, P linked[T]](l *list[T], item P) {
	n := item.node()
	n.prev, n.next, n.listed = l.last, nil, true
	if l.last == nil {
		l.first = item
	} else {
		P(l.last).node().next = item
	}
	l.last = item
}

// unlink removes item if it is in the list.
func unlink[T any, P linked[T]](l *list[T], item P) {
	n := item.node()
	if !n.listed {
		return
	}
	if n.prev == nil {
		l.first = n.next
	} else {
		P(n.prev).node().next = n.next
	}
	if n.next == nil {
		l.last = n.prev
	} else {
		P(n.next).node().prev = n.prev
	}
	*n = links[T]{}
}
