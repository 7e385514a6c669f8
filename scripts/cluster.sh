#!/usr/bin/env bash
# Clusters and a database on this machine, on loopback only, for the tests that need them.
#
#   scripts/cluster.sh test [PYTEST ARGUMENTS]   all that need one; what cannot start is skipped
#   scripts/cluster.sh slurm start|stop FOLDER   one node; then export SLURM_CONF=FOLDER/slurm.conf
#   scripts/cluster.sh ray start|stop FOLDER     a head and a worker, which shares no files with it
#   scripts/cluster.sh ray behead|head FOLDER    kill the head; start it again, with what it knew
#   scripts/cluster.sh postgres start|stop FOLDER   then its address is in FOLDER/env
#   scripts/cluster.sh venv                      .venv-cluster: .venv and Ray, which is large
#
# Slurm: Debian's slurm-wlm and munge (22.05 was tested), and root, as its daemons want.
# PostgreSQL: Debian's postgresql (15 was tested).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

refuse() {
  echo "$*" >&2
  exit 3
}

pid_in() { cat "$1" 2>/dev/null || true; }

slurm_start() {
  local home=$1 host port memory
  host=$(hostname -s)
  for program in slurmctld slurmd sbatch munged; do
    command -v "$program" >/dev/null || refuse "no $program here; on Debian: apt-get install slurm-wlm munge"
  done
  [ "$(id -u)" = 0 ] || refuse "Slurm's daemons want to be started by root"
  mkdir -p "$home"/{state,spool,log}
  (umask 077 && mkdir -p "$home/munge" && head -c 1024 /dev/urandom >"$home/munge/key")
  # Forced, as it warns of folders that others may enter, such as any below /tmp.
  munged --force --key-file="$home/munge/key" --socket="$home/munge/socket" \
    --pid-file="$home/munge/pid" --log-file="$home/munge/log" --seed-file="$home/munge/seed"
  port=$((20000 + RANDOM % 10000))
  memory=$(($(awk '/MemTotal/ {print $2}' /proc/meminfo) / 1024 - 512))
  cat >"$home/slurm.conf" <<CONF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$home/munge/socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=$port
SlurmdPort=$((port + 1))
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd.pid
SlurmctldLogFile=$home/log/slurmctld.log
SlurmdLogFile=$home/log/slurmd.log
MpiDefault=none
SchedulerParameters=requeue_delay=0,sched_interval=1,sched_min_interval=100000
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(env -u OMP_NUM_THREADS nproc) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=$host MaxTime=INFINITE State=UP PriorityTier=9
CONF
  export SLURM_CONF=$home/slurm.conf
  slurmctld -f "$SLURM_CONF"
  slurmd -f "$SLURM_CONF"
  for _ in $(seq 30); do
    if timeout 5 sinfo -h -o %T 2>/dev/null | grep -q -e idle -e mix; then return; fi
    kill -0 "$(pid_in "$home/slurmctld.pid")" 2>/dev/null || break
    sleep 0.5
  done
  slurm_stop "$home"
  refuse "Slurm's daemons were started and do not answer; see $home/log"
}

slurm_stop() {
  local home=$1 pid
  export SLURM_CONF=$home/slurm.conf
  # First the jobs, which would outlive the daemons.
  scancel --user="$(id -u)" 2>/dev/null || true
  for _ in $(seq 50); do
    if [ -z "$(squeue --noheader 2>/dev/null)" ]; then break; fi
    sleep 0.2
  done
  for file in slurmd.pid slurmctld.pid munge/pid; do
    pid=$(pid_in "$home/$file")
    if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; fi
  done
}

# 127.0.0.2 and .3, as Ray takes all of 127.0.0.1 for one node. The head has no processors, so that
# jobs go to the worker, for which the tests' folders are empty where the kernel lets us do that.
ray_start() {
  local home=$1 token
  mkdir -p "$home"
  [ -x "$python" ] && "$python" -c 'import ray' 2>/dev/null || refuse "no Ray in .venv-cluster; make it with: scripts/cluster.sh venv"
  token=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
  mktemp -d /tmp/ray.XXXXXX >"$home/temp" # Short, as the names of sockets are limited.
  cat >"$home/env" <<ENV
RAY_ADDRESS=127.0.0.2:$((20000 + RANDOM % 10000))
RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$token
RAY_USAGE_STATS_ENABLED=0
ENV
  ray_head "$home"
  local apart=()
  if unshare --mount true 2>/dev/null; then
    apart=(unshare --mount sh -c 'mount -t tmpfs tmpfs "$1" && shift && exec "$@"' sh "$(dirname "$home")")
  fi
  # It waits long for a head that is away: the tests kill it, and on a busy machine a new one takes its time.
  RAY_gcs_rpc_server_reconnect_timeout_s=300 "${apart[@]}" "${ray[@]}" --address="$address" --node-ip-address=127.0.0.3 --num-cpus=2
}

# What it knows is kept in files, so that the jobs of a head that died are known to the next one.
ray_head() {
  set -a && . "$1/env" && set +a
  address=$RAY_ADDRESS temp=$(cat "$1/temp")
  ray=("$python" -m ray.scripts.scripts start --disable-usage-stats)
  unset RAY_ADDRESS
  RAY_gcs_storage=rocksdb RAY_gcs_storage_path=$temp/known "${ray[@]}" --head --include-dashboard=false \
    --port="${address#*:}" --node-ip-address="${address%:*}" --num-cpus=0 --temp-dir="$temp"
}

ray_behead() {
  ray_processes "$1" | awk '/ip.address=127\.0\.0\.2 / {print $1}' | xargs -r kill -KILL
  # By this and the worker, which is of this machine too, Ray would take the head to be there still.
  rm -f "$(cat "$1/temp")/ray_current_cluster"
}

# All that Ray has started names this folder, and nothing else does.
ray_processes() { ps -eo pid=,args= | awk -v t="$(cat "$1/temp")/" 'index($0, t) && !/awk/ {print $0 " "}'; }

ray_stop() {
  local temp signal
  temp=$(cat "$1/temp" 2>/dev/null) && [ -n "$temp" ] || return 0
  for signal in TERM KILL; do
    ray_processes "$1" | awk '{print $1}' | xargs -r kill "-$signal" 2>/dev/null || true
    sleep 2
  done
  rm -rf "$temp"
}

postgres_start() {
  local home=$1 bin data port word as=()
  mkdir -p "$home"
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  [ -x "$bin/initdb" ] || refuse "no PostgreSQL here; on Debian: apt-get install postgresql"
  data=$(mktemp -d /tmp/postgres.XXXXXX)
  echo "$data" >"$home/data"
  port=$((20000 + RANDOM % 10000))
  word=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
  (umask 077 && echo "$word" >"$data/word")
  if [ "$(id -u)" = 0 ]; then # It refuses to be run by root.
    chown -R postgres "$data"
    as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
  fi
  cd "$data"
  "${as[@]}" "$bin/initdb" --pgdata="$data/db" --username=bisect --auth=scram-sha-256 --pwfile="$data/word" >/dev/null
  "${as[@]}" "$bin/pg_ctl" --pgdata="$data/db" --log="$data/log" --wait start \
    --options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$data" >/dev/null
  (umask 077 && echo "POSTGRES=postgresql+psycopg2://bisect:$word@127.0.0.1:$port/postgres" >"$home/env")
}

postgres_stop() {
  local data
  data=$(cat "$1/data" 2>/dev/null) && [ -n "$data" ] || return 0
  kill -INT "$(head -n 1 "$data/db/postmaster.pid")" 2>/dev/null || true
  for _ in $(seq 50); do
    if [ ! -e "$data/db/postmaster.pid" ]; then break; fi
    sleep 0.1
  done
  rm -rf "$data"
}

venv_make() {
  scripts/setup.sh
  [ -x .venv-cluster/bin/python ] || .venv/bin/python -m venv .venv-cluster
  # What .venv holds is not installed twice; its own .pth files know where this package is.
  .venv-cluster/bin/python - "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" <<'PY'
import pathlib, sys, sysconfig
below = pathlib.Path(sysconfig.get_path("purelib"), "below.pth")
below.write_text(f"import site; site.addsitedir({sys.argv[1]!r})\n")
PY
  .venv-cluster/bin/python -m pip install --quiet --constraint constraints.txt ray submitit psycopg2-binary hydra-joblib-launcher
}

# In a network of its own where that may be made: Ray listens on all of a machine's addresses. It gets
# an address that is nobody's, since where there is the loopback alone no name is resolved.
tests_run() {
  venv_make
  local alone=()
  if unshare --net true 2>/dev/null; then
    alone=(unshare --net sh -c 'ip link set lo up && ip address add 192.0.2.1/32 dev lo && exec "$@"' sh)
  fi
  exec "${alone[@]}" "$python" -m pytest -m cluster -rs "$@"
}

python=${CLUSTER_PYTHON:-.venv-cluster/bin/python}
case ${1:-} in
  test) shift && tests_run "$@" ;;
  venv) venv_make ;;
  ray) "ray_$2" "$3" ;;
  slurm) "slurm_$2" "$3" ;;
  postgres) "postgres_$2" "$3" ;;
  *) sed -n '2,13p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
