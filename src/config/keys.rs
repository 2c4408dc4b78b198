//! Every setting a person can write, once: its path in a file, its flag, its default, its bounds
//! and what it is for. Files, flags, environment names, `--help` and the tests of
//! `proxy-config/reference.yaml` all read these tables.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::api_keys::api_keys;
use super::canned::probe_responses;
use super::choices::{
    Order, aggregation, caller_path, hold, on_disconnect, order, overload_status, protocol,
};
use super::key::{About, Key, Shape, Table, keys};
use super::metrics;
use super::schedule::schedule;
use super::tls::{self, CertificateFiles, ClientsNeed};
use super::value::{
    LONGEST, MOST, bytes, bytes_from, duration, duration_or_off, number, number_from, number_over,
    text, truth, whole, whole_seconds,
};
use super::words::{
    address, address_or_off, command, devices, directory, environment, header_name, hosts,
    http_path, models, name, place,
};
use crate::callers::ApiKey;
use crate::revision::{
    Aggregation, CallerPath, Canned, Hold, MetricTarget, OnDisconnect, OverloadStatus, Protocol,
    ScaleMetric,
};
use crate::schedule::Schedule;
use crate::state::Place;

const SOME: u64 = 1;
const MOST_STREAMS: u64 = 8000;
const MEBIBYTE: u64 = 1 << 20;
/// hyper wants room for this much.
const LEAST_HEAD: u64 = 8 * 1024;
const MOST_HEADERS: u64 = 10_000;
const NO_TIME: Duration = Duration::ZERO;
const A_MOMENT: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

keys! {
    /// The keys of a whole file.
    TOP {
    LISTEN: SocketAddr = "listen", --"listen" "ADDRESS" One, "127.0.0.1:8080", address,
        "Address for requests";
    ADMIN: Option<SocketAddr> = "admin", --"admin" "ADDRESS" One, "127.0.0.1:9090", address_or_off,
        "Address for health, metrics and reports, or off";
    TLS_LISTEN: SocketAddr = "tls.listen", --"tls-listen" "ADDRESS" One, "127.0.0.1:8443", address,
        "Address for requests by TLS, once there is a certificate";
    TLS_CERT_FILE: PathBuf = "tls.certFile", --"tls-cert-file" "FILE" One, "", directory,
        "Certificate of the gate and those that lead to its authority (PEM)";
    TLS_KEY_FILE: PathBuf = "tls.keyFile", --"tls-key-file" "FILE" One, "", directory,
        "Key of that certificate (PEM)";
    TLS_CERTIFICATES: Vec<CertificateFiles> = "tls.certificates", --"" "" NoFlag, "", tls::pairs,
        "Further certificates, each for clients that ask for one of its names";
    TLS_CLIENT_CA: PathBuf = "tls.clientCaFile", --"tls-client-ca-file" "FILE" One, "", directory,
        "Authorities that sign the certificates of clients (PEM); when not written, clients are asked \
         for none";
    TLS_CLIENT_CERTIFICATES: ClientsNeed = "tls.clientCertificates",
        --"tls-client-certificates" "NEED" One, "", tls::need,
        "Whether clients need one: optional or required; when not written, required";
    ADMIN_TOKEN_FILE: PathBuf = "adminTokenFile", --"admin-token-file" "FILE" One, "", directory,
        "File with the token that opens the admin port to who does not come over loopback";
    MAX_CONNECTIONS: usize = "maxConnections", --"max-connections" "N" One, "16384",
        |n, c| whole(n, c, SOME..=MOST),
        "Most client connections at once";
    MAX_STREAMS: u32 = "maxStreams", --"max-streams" "N" One, "128",
        |n, c| whole(n, c, SOME..=MOST_STREAMS),
        "Most requests at once on one HTTP/2 connection of a client";
    MAX_QUEUED_REQUESTS: usize = "maxQueuedRequests", --"max-queued-requests" "N" One, "10000",
        |n, c| whole(n, c, SOME..=MOST),
        "Most requests waiting at once, all revisions together";
    MAX_QUEUED_BYTES: u64 = "maxQueuedBytes", --"max-queued-bytes" "SIZE" One, "1GiB", bytes,
        "Most bytes of bodies held for waiting requests, all revisions together";
    MAX_HEADER_BYTES: usize = "maxHeaderBytes", --"max-header-bytes" "SIZE" One, "64KiB",
        |n, c| bytes_from(n, c, LEAST_HEAD).and_then(|bytes| usize::try_from(bytes).ok()),
        "Most bytes of the head of one request";
    MAX_HEADERS: usize = "maxHeaders", --"max-headers" "N" One, "100",
        |n, c| whole(n, c, SOME..=MOST_HEADERS),
        "Most headers of one request";
    HEADER_TIMEOUT: Duration = "headerTimeout", --"header-timeout" "DURATION" One, "30s",
        |n, c| duration(n, c, SECOND..=LONGEST),
        "Longest time from connecting, or from the first byte of a request, to the end of its head";
    IDLE_CONNECTION_TIMEOUT: Option<Duration> = "idleConnectionTimeout",
        --"idle-connection-timeout" "DURATION" One, "300s", duration_or_off,
        "Longest time between two requests on a connection, 0 for no bound";
    MAX_PROCESSES: u32 = "maxProcesses", --"max-processes" "N" One, "16",
        |n, c| whole(n, c, SOME..=MOST),
        "Most model servers at once, all revisions together";
    STATE: Place = "state", --"state" "DIR" One, "", place,
        "Directory that keeps what was learned over a restart, or off; when not written, holdgate \
         in $XDG_STATE_HOME or ~/.local/state, and none on port 0";
    GPUS: Vec<String> = "gpus", --"gpus" "DEVICE" List, "", devices,
        "GPU that model servers may be given: an index, a GPU- or MIG- name, or several with commas \
         between; when not written, what nvidia-smi lists";
    RECORD: PathBuf = "record", --"record" "FILE" One, "", directory,
        "File to write down what happens, to be replayed; when not written, nothing is recorded";
    RECORD_SIZE: u64 = "recordSize", --"record-size" "SIZE" One, "256MiB",
        |n, c| bytes_from(n, c, MEBIBYTE),
        "Largest record; then it is renamed to FILE.1 and a new one begun";
    API_KEYS: Vec<ApiKey> = "apiKeys", --"" "" NoFlag, "", api_keys,
        "Keys of which every request needs one: entries of name, sha256, tenant, class, revisions and \
         forward; when not written, nobody needs one";
    MODEL_SCAN: u64 = "modelScan", --"model-scan" "SIZE" One, "1MiB", bytes,
        "Bytes of a body that are read to find its model where nothing else decides, 0 for never";
    DEFAULTS: () = "defaults", --"" "" NoFlag, "", |_, _| Some(()),
        "Keys of a revision, set here for every revision";
    REVISIONS: () = "revisions", --"" "" NoFlag, "", |_, _| Some(()),
        "The revisions";
    }
}

keys! {
    /// The keys of a revision.
    REVISION {
    NAME: String = "name", --"name" "NAME" One, "", name,
        "Name of the revision; with files, the one that the other flags mean";
    HOSTS: Vec<String> = "hosts", --"host" "HOST" List, "", hosts,
        "Exact host name that leads here; a lone revision also takes every other host";
    MODELS: Vec<String> = "models", --"model" "MODEL" List, "", models,
        "Model name that leads here, from /v1/models/MODEL, /v2/models/MODEL and the model in a body";
    MIN_REPLICAS: u32 = "minReplicas", --"min-replicas" "N" One, "0",
        |n, c| whole(n, c, 0..=MOST),
        "Never fewer replicas";
    MAX_REPLICAS: u32 = "maxReplicas", --"max-replicas" "N" One, "1",
        |n, c| whole(n, c, 0..=MOST),
        "Never more replicas, 0 for no cap; when not written, it gives way to a larger minimum";
    CONTAINER_CONCURRENCY: u32 = "containerConcurrency", --"container-concurrency" "N" One, "0",
        |n, c| whole(n, c, 0..=MOST),
        "Hard limit of requests at one replica, 0 for none";
    SCALE_TARGET: f64 = "scaleTarget", --"scale-target" "NUMBER" One, "",
        metrics::target,
        "Soft target per replica, for memory a size; when not written, the hard limit, else 100 \
         (200 for rps, 80 for cpu)";
    SCALE_METRIC: ScaleMetric = "scaleMetric", --"scale-metric" "METRIC" One, "concurrency",
        metrics::counted_or_used,
        "What is averaged: concurrency, rps, cpu or memory";
    SCHEDULE: Schedule = "schedule", --"" "" NoFlag, "", schedule,
        "Hours with more replicas at least: entries of cron, timeZone, for and minReplicas";
    TIMEOUT: Option<Duration> = "timeout", --"timeout" "DURATION" One, "300s", duration_or_off,
        "From sending a request to the replica until its last byte, 0 for no bound";
    STREAM_TIMEOUT: Option<Duration> = "streamTimeout", --"stream-timeout" "DURATION" One, "0",
        duration_or_off,
        "Instead of the timeout for event streams, 0 when only idleness ends them";
    IDLE_TIMEOUT: Option<Duration> = "idleTimeout", --"idle-timeout" "DURATION" One, "300s",
        duration_or_off,
        "Longest time without a byte in either direction, 0 for no bound";
    CONNECT_TIMEOUT: Duration = "connectTimeout", --"connect-timeout" "DURATION" One, "5s",
        |n, c| duration(n, c, A_MOMENT..=LONGEST),
        "Longest time to open a connection to a replica";
    FIRST_BYTE_TIMEOUT: Option<Duration> = "firstByteTimeout",
        --"first-byte-timeout" "DURATION" One, "0", duration_or_off,
        "Longest time to the first byte of an answer, 0 for no bound of its own";
    QUEUE_MAX_REQUESTS: usize = "queue.maxRequests", --"queue-max-requests" "N" One, "1000",
        |n, c| whole(n, c, SOME..=MOST),
        "Most requests waiting at once";
    QUEUE_MAX_BYTES: u64 = "queue.maxBytes", --"queue-max-bytes" "SIZE" One, "256MiB", bytes,
        "Most bytes of bodies held for waiting requests";
    QUEUE_TIMEOUT: Duration = "queue.timeout", --"queue-timeout" "DURATION" One, "60s",
        |n, c| duration(n, c, A_MOMENT..=LONGEST),
        "Longest wait while a replica is ready";
    QUEUE_COLD_TIMEOUT: Duration = "queue.coldTimeout", --"queue-cold-timeout" "DURATION" One,
        "600s", |n, c| duration(n, c, A_MOMENT..=LONGEST),
        "Longest wait while no replica is ready";
    QUEUE_READ_AHEAD: u64 = "queue.readAhead", --"queue-read-ahead" "SIZE" One, "1MiB", bytes,
        "Bytes of one body read ahead while it waits, so that a hang-up is seen";
    QUEUE_ORDER: Order = "queue.order", --"queue-order" "ORDER" One, "fifo", order,
        "Who is served first: fifo (who came first) or fair (by class, and every tenant in turn)";
    QUEUE_AGEING: Duration = "queue.ageing", --"queue-ageing" "DURATION" One, "30s",
        |n, c| duration(n, c, A_MOMENT..=LONGEST),
        "In a fair queue, what a tenant has waited for so long, served nothing of its class, rises one \
         class";
    QUEUE_MAX_TENANTS: usize = "queue.maxTenants", --"queue-max-tenants" "N" One, "1000",
        |n, c| whole(n, c, SOME..=MOST),
        "In a fair queue, so many waiting tenants have a share each, the rest one together";
    QUEUE_TENANT_HEADER: String = "queue.tenantHeader", --"queue-tenant-header" "HEADER" One, "",
        header_name,
        "In a fair queue, header that names the tenant; when not written, none does";
    QUEUE_CLASS_HEADER: String = "queue.classHeader", --"queue-class-header" "HEADER" One, "",
        header_name,
        "In a fair queue, header whose word for the class is believed (system, interactive, default \
         or bulk), such as x-holdgate-class; when not written, none is";
    QUEUE_DEADLINES: bool = "queue.deadlines", --"queue-deadlines" "BOOL" One, "true", truth,
        "Refuse at once what would wait beyond its own deadline (grpc-timeout, x-holdgate-timeout, \
         x-stainless-read-timeout): true or false";
    MAX_BODY_BYTES: u64 = "maxBodyBytes", --"max-body-bytes" "SIZE" One, "0", bytes,
        "Largest request body, 0 for no bound";
    OVERLOAD_STATUS: OverloadStatus = "overloadStatus", --"overload-status" "STATUS" One, "429",
        overload_status,
        "Status of a full queue: 429 or 503";
    ON_DISCONNECT: OnDisconnect = "onDisconnect", --"on-disconnect" "WHAT" One, "auto",
        on_disconnect,
        "What becomes of a running request whose client left: auto, release or finish";
    PROTOCOL: Protocol = "protocol", --"protocol" "WHAT" One, "auto",
        protocol,
        "What replicas are spoken to in: http1, h2c (HTTP/2, with upstreamTls over TLS), or auto: gRPC in \
         HTTP/2 and the rest in HTTP/1.1, and pods all in HTTP/2 whose port is called h2c or http2, or \
         has such an appProtocol";
    UPSTREAM_TLS: bool = "upstreamTls.enabled", --"upstream-tls" "BOOL" One, "", truth,
        "Speak TLS with replicas: true or false; when not written, as soon as there is caFile or \
         insecureSkipVerify";
    UPSTREAM_CA: PathBuf = "upstreamTls.caFile", --"upstream-tls-ca-file" "FILE" One, "", directory,
        "Authorities that sign the certificates of replicas (PEM)";
    UPSTREAM_NAME: String = "upstreamTls.serverName", --"upstream-tls-server-name" "NAME" One, "",
        text,
        "Name that the certificates of replicas are for; when not written, the address of each";
    UPSTREAM_CERT_FILE: PathBuf = "upstreamTls.certFile",
        --"upstream-tls-cert-file" "FILE" One, "", directory,
        "Certificate that replicas are shown if they ask for one (PEM)";
    UPSTREAM_KEY_FILE: PathBuf = "upstreamTls.keyFile",
        --"upstream-tls-key-file" "FILE" One, "", directory,
        "Key of that certificate (PEM)";
    UPSTREAM_UNVERIFIED: bool = "upstreamTls.insecureSkipVerify",
        --"upstream-tls-insecure-skip-verify" "BOOL" One, "false", truth,
        "Believe replicas whatever certificate they show, also beside caFile: true or false";
    ANSWER_PROBES: bool = "answerProbesAtZero", --"answer-probes-at-zero" "BOOL" One, "true", truth,
        "Answer health checks, scrapes and listings while no replica is ready instead of starting one: \
         true or false";
    PROBE_RESPONSES: Vec<Canned> = "probeResponses", --"" "" NoFlag, "", probe_responses,
        "Further answers while no replica is ready: entries of path, status, body and contentType";
    WAITING_PAGE: bool = "waiting.page", --"waiting-page" "BOOL" One, "false", truth,
        "Show browsers a page that reloads itself while a model starts: true or false";
    WAITING_HEARTBEAT: Option<Duration> = "waiting.heartbeat",
        --"waiting-heartbeat" "DURATION" One, "0", duration_or_off,
        "Begin event streams that wait longer at once, with a comment so often; 0 for never";
    WAITING_KEEP_ALIVE: Option<Duration> = "waiting.keepAlive",
        --"waiting-keep-alive" "DURATION" One, "0", duration_or_off,
        "Begin JSON answers that wait longer at once, with a blank so often; 0 for never";
    STOP_AFTER_IDLE: Duration = "stopAfterIdle", --"stop-after-idle" "DURATION" One, "",
        |n, c| duration(n, c, SECOND..=LONGEST),
        "The last replica goes so long after the last request; when not written, window and grace \
         period decide";
    MAX_STARTING: u32 = "maxStarting", --"max-starting" "N" One, "0",
        |n, c| whole(n, c, 0..=MOST),
        "Most replicas on their way at once, 0 for no bound";
    FAILED_STARTS: u32 = "failedStarts", --"failed-starts" "N" One, "3",
        |n, c| whole(n, c, SOME..=MOST),
        "Crashes in a row before waiting requests are told";
    PENDING_GRACE: Duration = "pendingGrace", --"pending-grace" "DURATION" One, "60s",
        |n, c| duration(n, c, SECOND..=LONGEST),
        "How long a pod may find no node, with none known to be on its way, before it counts as one \
         that does not come";
    MAX_PENDING: u32 = "maxPending", --"max-pending" "N" One, "1",
        |n, c| whole(n, c, SOME..=MOST),
        "So many pods that do not come are kept, to find a node when one appears";
    CALLER_PATH: CallerPath = "path", --"path" "PATH" One, "host", caller_path,
        "Which callers of a workload's Services pass the gate: host (none but those who come to it), \
         takeover (all while no pod is ready) or always";
    TARGET_UTILIZATION: f64 = "autoscaling.targetUtilizationPercentage",
        --"target-utilization-percentage" "PERCENT" One, "100", |n, c| number(n, c, 1.0..=100.0),
        "Percent of the target that is aimed for";
    STABLE_WINDOW: Duration = "autoscaling.stableWindow", --"stable-window" "DURATION" One, "60s",
        |n, c| whole_seconds(n, c, 6 * SECOND),
        "The long average, 6s to 1h";
    PANIC_WINDOW: f64 = "autoscaling.panicWindowPercentage",
        --"panic-window-percentage" "PERCENT" One, "10", |n, c| number(n, c, 1.0..=100.0),
        "The short average, as percent of the long one";
    PANIC_THRESHOLD: f64 = "autoscaling.panicThresholdPercentage",
        --"panic-threshold-percentage" "PERCENT" One, "200", |n, c| number(n, c, 110.0..=1000.0),
        "Wanted over ready replicas, in percent, from which panic starts";
    MAX_SCALE_UP_RATE: f64 = "autoscaling.maxScaleUpRate",
        --"max-scale-up-rate" "NUMBER" One, "1000", |n, c| number_over(n, c, 1.0),
        "At most so many times the present replicas per decision";
    MAX_SCALE_DOWN_RATE: f64 = "autoscaling.maxScaleDownRate", --"max-scale-down-rate" "NUMBER" One,
        "2", |n, c| number_over(n, c, 1.0),
        "At most divided by so much per decision";
    GRACE_PERIOD: Duration = "autoscaling.scaleToZeroGracePeriod",
        --"scale-to-zero-grace-period" "DURATION" One, "30s",
        |n, c| duration(n, c, A_MOMENT..=LONGEST),
        "How long the last replica stays once the average is 0";
    RETENTION_PERIOD: Hold = "autoscaling.scaleToZeroPodRetentionPeriod",
        --"scale-to-zero-pod-retention-period" "DURATION" One, "0s",
        |n, c| hold(n, c, |n, c| duration(n, c, NO_TIME..=HOUR)),
        "The same with a floor of its own, the longer of the two counts; auto for as long as a \
         start takes";
    SCALE_DOWN_DELAY: Hold = "autoscaling.scaleDownDelay", --"scale-down-delay" "DURATION" One,
        "0s", |n, c| hold(n, c, |n, c| whole_seconds(n, c, NO_TIME)),
        "A lower number is taken only when nothing higher was wanted for so long; auto for as long \
         as a start takes";
    AGGREGATION: Aggregation = "autoscaling.metricAggregationAlgorithm",
        --"metric-aggregation-algorithm" "ALGORITHM" One, "linear", aggregation,
        "How the seconds of a window become one number: linear or weighted-exponential";
    ENABLE_SCALE_TO_ZERO: bool = "autoscaling.enableScaleToZero",
        --"enable-scale-to-zero" "BOOL" One, "true", truth,
        "The last replica may go; false keeps one: true or false";
    MAX_SCALE_LIMIT: u32 = "autoscaling.maxScaleLimit", --"max-scale-limit" "N" One, "0",
        |n, c| whole(n, c, 0..=MOST),
        "Bound on what may be written as maxReplicas, 0 for none";
    CONCURRENCY_DEFAULT: f64 = "autoscaling.containerConcurrencyTargetDefault",
        --"container-concurrency-target-default" "NUMBER" One, "100",
        |n, c| number_from(n, c, 0.01),
        "Target for concurrency where neither scaleTarget nor a hard limit is written";
    RPS_DEFAULT: f64 = "autoscaling.requestsPerSecondTargetDefault",
        --"requests-per-second-target-default" "NUMBER" One, "200",
        |n, c| number_from(n, c, 0.01),
        "Target for rps where no scaleTarget is written";
    ALLOW_ZERO_INITIAL_SCALE: bool = "autoscaling.allowZeroInitialScale",
        --"allow-zero-initial-scale" "BOOL" One, "true", truth,
        "An initialScale of 0 may be written; in manifests only where this says so: true or false";
    METRICS: Vec<MetricTarget> = "autoscaling.metrics", --"" "" NoFlag, "", metrics::metrics,
        "Averaged as well, the largest wish wins; without scaleMetric and scaleTarget, instead";
    ACTIVATION_SCALE: u32 = "autoscaling.activationScale", --"activation-scale" "N" One, "1",
        |n, c| whole(n, c, SOME..=MOST),
        "From zero, start at least so many";
    INITIAL_SCALE: u32 = "autoscaling.initialScale", --"initial-scale" "N" One, "",
        |n, c| whole(n, c, 0..=MOST),
        "Start so many when the revision is new; when not written, the minimum";
    COMMAND: Vec<String> = "process.command", --"" "" NoFlag, "", command,
        "The model server; {port} in an argument and PORT in its environment carry the port";
    ENV: Vec<(String, String)> = "process.env", --"env" "NAME=VALUE" Map, "", environment,
        "Environment variable for the model server";
    DIR: PathBuf = "process.dir", --"dir" "DIR" One, "", directory,
        "Working directory of the model server";
    PROCESS_GPUS: u32 = "process.gpus", --"gpus-per-replica" "N" One, "0",
        |n, c| whole(n, c, 0..=MOST),
        "GPUs that each replica has to itself, of those in the pool (gpus)";
    READINESS_PATH: String = "process.readiness.path", --"readiness-path" "PATH" One, "", http_path,
        "Path that answers 200 to 399 once the model is ready; when not written, an open port is enough";
    READINESS_TIMEOUT: Duration = "process.readiness.timeout", --"readiness-timeout" "DURATION" One,
        "", |n, c| duration(n, c, A_MOMENT..=LONGEST),
        "Longest time to become ready; when not written, queue.coldTimeout";
    RESOURCES_CPU: f64 = "process.resources.cpu", --"resources-cpu" "CORES" One, "", metrics::cores,
        "Cores that one replica may use: what percentages of cpu are of; when not written, one";
    RESOURCES_MEMORY: u64 = "process.resources.memory", --"resources-memory" "SIZE" One, "", bytes,
        "Memory that one replica may use: 80 percent of it are the target of memory when none is \
         written";
    STOP_TIMEOUT: Duration = "process.stopTimeout", --"stop-timeout" "DURATION" One, "10s",
        |n, c| duration(n, c, NO_TIME..=LONGEST),
        "How long a model server may take to stop before it is killed";
    }
}
