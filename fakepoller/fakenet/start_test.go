package fakenet

import (
	"testing"
	"time"

	"edgewise.test/fakepoller"
)

// Outside of a bubble stop may come when the scheduler sleeps. It once went on to
// sleep for an hour then.
func TestStopWakesTheScheduler(t *testing.T) {
	n, stop := Start(fakepoller.New(fakepoller.Config{}), Config{})
	l, err := n.Host("server").Listen("tcp", "127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	time.Sleep(10 * time.Millisecond) // it is asleep now, in all likelihood
	stop()
}
