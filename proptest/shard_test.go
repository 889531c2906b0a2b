package proptest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"edgewise.test/poller"
)

func TestShardFromEnvironment(t *testing.T) {
	for _, c := range []struct {
		env           string
		shard, shards int
		err           string
	}{
		{"", 0, 0, ""},
		{"EDGEWISE_SHARD=2 EDGEWISE_SHARDS=4", 2, 4, ""},
		{"TEST_SHARD_INDEX=0 TEST_TOTAL_SHARDS=3", 0, 3, ""},
		{"JOB_COMPLETION_INDEX=9 JOB_COMPLETIONS=10", 9, 10, ""},
		{"JOB_COMPLETION_INDEX=9", 0, 0, ""},
		{"CI_NODE_INDEX=1 CI_NODE_TOTAL=2", 0, 2, ""},
		{"CI_NODE_INDEX=2 CI_NODE_TOTAL=2", 1, 2, ""},
		{"CI_NODE_TOTAL=1", 0, 0, ""},
		{"CIRCLE_NODE_INDEX=1 CIRCLE_NODE_TOTAL=2", 1, 2, ""},
		{"BUILDKITE_PARALLEL_JOB=1 BUILDKITE_PARALLEL_JOB_COUNT=2", 1, 2, ""},
		{"EDGEWISE_SHARDS=1 TEST_SHARD_INDEX=1 TEST_TOTAL_SHARDS=2", 0, 0, ""},
		{"EDGEWISE_SHARDS=x", 0, 0, `EDGEWISE_SHARDS: got "x", want a number from 1`},
		{"EDGEWISE_SHARDS=0", 0, 0, `EDGEWISE_SHARDS: got "0", want a number from 1`},
		{"EDGEWISE_SHARDS=2", 0, 0, `EDGEWISE_SHARD: got "", want a number from 0 to 1 (EDGEWISE_SHARDS is 2)`},
		{"CI_NODE_INDEX=0 CI_NODE_TOTAL=2", 0, 0, `CI_NODE_INDEX: got "0", want a number from 1 to 2 (CI_NODE_TOTAL is 2)`},
	} {
		shard, shards, err := shardFromEnvironment(func(name string) string {
			for _, pair := range strings.Fields(c.env) {
				if value, ok := strings.CutPrefix(pair, name+"="); ok {
					return value
				}
			}
			return ""
		})
		if shard != c.shard || shards != c.shards || fmt.Sprint(err) != map[bool]string{true: "<nil>", false: c.err}[c.err == ""] {
			t.Errorf("%s: got %d of %d, %v, want %d of %d, %s", c.env, shard, shards, err, c.shard, c.shards, c.err)
		}
	}
}

// twoBugs has two failures that different deviations lead to.
func twoBugs(w *World) {
	k := w.NewWorker()
	listener, _ := poller.ListenTCP(k, batteryAddr, poller.ListenConfig{})
	for i := range 40 {
		w.Hand("client").Dial(batteryAddr)
		fd, _, err := k.Accept(listener)
		if err == nil {
			k.Close(fd)
			continue
		}
		w.Errorf("accept %d failed", i)
	}
}

// Shards run as processes of their own; together they try every single deviation,
// and their findings merge as plan files.
func TestShardsAsProcesses(t *testing.T) {
	if dir := os.Getenv("EDGEWISE_SHARD_TEST"); dir != "" {
		os.Chdir(dir)
		Config{Scenario: twoBugs, Schedules: 400, Strategies: []string{"single", "swarm"}}.Check(t)
		return
	}
	dir := t.TempDir()
	merged := map[string]bool{}
	for i := range 3 {
		own := filepath.Join(dir, strconv.Itoa(i))
		os.Mkdir(own, 0o777)
		cmd := exec.Command(os.Args[0], "-test.run=^TestShardsAsProcesses$")
		cmd.Env = append(os.Environ(), "EDGEWISE_SHARD_TEST="+own, "TEST_TOTAL_SHARDS=3", "TEST_SHARD_INDEX="+strconv.Itoa(i), "TEST_SHARD_STATUS_FILE="+filepath.Join(own, "status"))
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("shard %d passed, want it to fail:\n%s", i, out)
		}
		if _, err := os.Stat(filepath.Join(own, "status")); err != nil {
			t.Errorf("shard %d did not make the status file: %v", i, err)
		}
		plans, _ := filepath.Glob(filepath.Join(own, "testdata/edgewise/TestShardsAsProcesses/*.plan"))
		for _, plan := range plans {
			merged[filepath.Base(plan)] = true
		}
	}
	if len(merged) != 3 {
		t.Errorf("got %d different plans, want one of each shard", len(merged))
	}
}
