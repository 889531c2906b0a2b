package proptest

import (
	"fmt"
	"os"
	"strconv"
)

// shardings are the variables that say which part of a parallel job this process
// is, in the order in which they are looked at.
var shardings = []struct {
	index, total string
	first        int // what the first part is called
}{
	{"EDGEWISE_SHARD", "EDGEWISE_SHARDS", 0},
	{"TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", 0},   // Bazel, test encyclopedia
	{"JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", 0}, // Kubernetes indexed jobs; the total is the manifest's to set
	{"CI_NODE_INDEX", "CI_NODE_TOTAL", 1},          // GitLab
	{"CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0},  // CircleCI
	{"BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0},
}

// shardFromEnvironment returns which part of how many this process does. Without
// any of the variables it does all: 0, 0.
func shardFromEnvironment(getenv func(string) string) (shard, shards int, err error) {
	for _, s := range shardings {
		total := getenv(s.total)
		if total == "" {
			continue
		}
		if shards, err = strconv.Atoi(total); err != nil || shards < 1 {
			return 0, 0, fmt.Errorf("%s: got %q, want a number from 1", s.total, total)
		}
		index := getenv(s.index)
		if index == "" && shards == 1 {
			return 0, 0, nil
		}
		if shard, err = strconv.Atoi(index); err != nil || shard < s.first || shard >= shards+s.first {
			return 0, 0, fmt.Errorf("%s: got %q, want a number from %d to %d (%s is %d)", s.index, index, s.first, shards+s.first-1, s.total, shards)
		}
		return shard - s.first, shards, nil
	}
	return 0, 0, nil
}

// touchShardStatus tells Bazel that this test knows about shards.
func touchShardStatus() error {
	file := os.Getenv("TEST_SHARD_STATUS_FILE")
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	return f.Close()
}
