# The keeper: the parent of the server, which it stops when the guard has ended. Stdin is a pipe that the guard has open.
# $1: the postgres program, $2: its data directory, $3: the guard's process (see guard.rs)

trap '' HUP INT QUIT TERM PIPE
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-

# Whether a process is a server on the data: a process number may be in use again.
serves() {
    if [ -e /proc/self/cwd ]; then
        [ "/proc/$1/cwd" -ef "$2" ]
    else
        case $(ps -o command= -p "$1") in *"$2"*) ;; *) false ;; esac
    fi
}

stop=
trap 'stop=1' USR1
# A process in the background gets an empty stdin unless it comes from another descriptor.
exec 4<&0 </dev/null
(
    while read -r _; do :; done
    # Repeat the signal each second, since a server that is just starting may miss the first.
    while kill -USR1 "$$"; do
        kill -CONT "$$"
        sleep 1
    done
    # A keeper that was killed has left its server.
    read -r server <"$2/postmaster.pid" || exit 0
    while serves "$server" "$2"; do
        kill -INT "$server"
        kill -CONT "$server"
        sleep 1
    done
) <&4 4<&- >/dev/null 2>&1 &
watch=$!
exec 4<&-

tries=0
while [ -z "$stop" ]; do
    "$1" -D "$2" </dev/null >/dev/null &
    server=$!
    while :; do
        wait "$server"
        # A signal interrupts `wait`. SIGINT is Postgres's fast, clean shutdown; a suspended server has to be resumed.
        kill -0 "$server" 2>/dev/null || break
        [ -z "$stop" ] || { kill -INT "$server" && kill -CONT "$server"; } 2>/dev/null
    done
    # Only a killed server leaves a pid file that says "ready"; restart it.
    [ -z "$stop" ] && grep -q '^ready' "$2/postmaster.pid" 2>/dev/null || break
    tries=$((tries + 1))
    [ "$tries" -le 5 ] || break
    echo "tagd: Postgres was killed; starting it again" >&2
    # Its orphaned workers need a moment to exit.
    sleep 1
done
# A guard without a server is of no use: every tagd sees its end, and the first that can starts another server.
[ -n "$stop" ] || kill -KILL "$3"
# Some shells report a killed child, which is not for the log.
{ kill -KILL "$watch" && wait "$watch"; } 2>/dev/null
