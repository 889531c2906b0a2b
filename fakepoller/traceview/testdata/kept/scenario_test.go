// Package kept_test is where the tests that GoTest writes are tried.
package kept_test

import "edgewise.test/proptest"

func echoScenario(w *proptest.World) { w.Errorf("it fails %d times", 1) }
