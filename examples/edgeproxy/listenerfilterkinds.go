package main

import (
	"fmt"
	"time"

	"edgewise.test/pipeline/httpinspector"
	"edgewise.test/pipeline/localratelimit"
	"edgewise.test/pipeline/originaldst"
	"edgewise.test/pipeline/originalsrc"
	"edgewise.test/pipeline/proxyprotocol"
	"edgewise.test/pipeline/tlsinspector"
)

func readTLSInspector(n node) func(worker, workers int) filterPart {
	field := readMessage(n, tlsInspector, "enable_ja3_fingerprinting", "enable_ja4_fingerprinting", "initial_read_buffer_size",
		"max_client_hello_size", "close_connection_on_client_hello_parsing_errors")
	cfg := tlsinspector.Config{
		EnableJA3Fingerprinting:                   field("enable_ja3_fingerprinting").bool(),
		EnableJA4Fingerprinting:                   field("enable_ja4_fingerprinting").bool(),
		InitialReadBufferSize:                     int(field("initial_read_buffer_size").between(256, tlsinspector.MaxSize)),
		MaxClientHelloSize:                        int(field("max_client_hello_size").between(256, tlsinspector.MaxSize)),
		CloseConnectionOnClientHelloParsingErrors: field("close_connection_on_client_hello_parsing_errors").bool(),
	}
	return func(int, int) filterPart { return tlsinspector.New(cfg) }
}

func readHTTPInspector(n node) func(worker, workers int) filterPart {
	readMessage(n, httpInspector)
	return func(int, int) filterPart { return &httpinspector.Inspector{} }
}

func readOriginalDst(n node) func(worker, workers int) filterPart {
	readMessage(n, originalDst)
	return func(int, int) filterPart { return uncounted{originaldst.NewFilter} }
}

func readOriginalSrc(n node) func(worker, workers int) filterPart {
	field := readMessage(n, originalSrc, "bind_port", "mark")
	if field("bind_port").bool() {
		field("bind_port").fail("true is not supported")
	}
	factory := originalsrc.Filter(originalsrc.Config{Mark: field("mark").uint32()})
	return func(int, int) filterPart { return uncounted{factory} }
}

func readProxyProtocol(n node) func(worker, workers int) filterPart {
	field := readMessage(n, proxyProtocol, "rules", "allow_requests_without_proxy_protocol", "pass_through_tlvs", "disallowed_versions", "stat_prefix")
	passes := readPassThroughTLVs(field("pass_through_tlvs"))
	cfg := proxyprotocol.Config{
		StatPrefix:                        field("stat_prefix").text(),
		AllowRequestsWithoutProxyProtocol: field("allow_requests_without_proxy_protocol").bool(),
		PassThroughTLVs:                   passes.types,
		PassThroughAllTLVs:                passes.all,
	}
	for _, n := range field("disallowed_versions").list() {
		switch n.required().oneOf("V1", "V2") {
		case "V1":
			cfg.DisallowedVersions = append(cfg.DisallowedVersions, proxyprotocol.V1)
		case "V2":
			cfg.DisallowedVersions = append(cfg.DisallowedVersions, proxyprotocol.V2)
		}
	}
	for _, n := range field("rules").list() {
		rule := n.object("tlv_type", "on_tlv_present")
		pair := rule("on_tlv_present").required().object("metadata_namespace", "key")
		pair("metadata_namespace").text()
		cfg.Rules = append(cfg.Rules, proxyprotocol.Rule{TLVType: rule("tlv_type").byte(), Key: pair("key").required().text()})
	}
	if _, err := proxyprotocol.New(cfg); err != nil {
		n.fail("%v", err)
	}
	return func(int, int) filterPart {
		filters, err := proxyprotocol.New(cfg)
		mustBuild(err)
		return filters
	}
}

// readLocalRateLimit: Envoy's bucket is for the process. Here each worker has its
// part of it, and at least one token.
func readLocalRateLimit(n node) func(worker, workers int) filterPart {
	field := readMessage(n, localRateLimit, "stat_prefix", "token_bucket", "runtime_enabled")
	bucket := field("token_bucket").required().object("max_tokens", "tokens_per_fill", "fill_interval")
	cfg := localratelimit.Config{
		StatPrefix:    field("stat_prefix").required().text(),
		MaxTokens:     bucket("max_tokens").required().uint32(),
		TokensPerFill: max(bucket("tokens_per_fill").uint32(), 1),
		FillInterval:  max(bucket("fill_interval").required().duration(), 0),
	}
	if n := field("runtime_enabled"); n.present() {
		flag := n.object("default_value", "runtime_key")
		flag("runtime_key").text()
		enabled := flag("default_value").required().bool() // there is no runtime to change it
		cfg.RuntimeEnabled = func() bool { return enabled }
	}
	if _, err := localratelimit.New(cfg); err != nil {
		n.fail("%v", err)
	}
	return func(worker, workers int) filterPart {
		limiter, err := localratelimit.New(rateLimitPart(cfg, worker, workers))
		mustBuild(err)
		return limiter
	}
}

// rateLimitPart is what a worker has of a limit.
func rateLimitPart(cfg localratelimit.Config, worker, workers int) localratelimit.Config {
	part := func(whole uint32) uint32 {
		share, rest := whole/uint32(workers), whole%uint32(workers)
		if uint32(worker) < rest {
			share++
		}
		return share
	}
	cfg.MaxTokens = max(part(cfg.MaxTokens), 1)
	if cfg.TokensPerFill >= uint32(workers) {
		cfg.TokensPerFill = part(cfg.TokensPerFill)
	} else { // one, but less often
		cfg.FillInterval = time.Duration(float64(cfg.FillInterval) * float64(workers) / float64(cfg.TokensPerFill))
		cfg.TokensPerFill = 1
	}
	return cfg
}

// mustBuild is for what was built once when the configuration was read.
func mustBuild(err error) {
	if err != nil {
		panic(fmt.Sprintf("edgeproxy: a configuration was good, and is not any more: %v", err))
	}
}
