# The guard reads the pipe on stdin and ends when no process has it open for writing any more. Its end, also that of a
# killed guard, closes its stdout, which tells the keeper to stop the server (keeper.sh). $1: the directory of greetings
# (see guard.rs)

# Ignore the signals that stop tagd: tagd drains first, and we read an end of file when it has exited.
trap '' HUP INT QUIT TERM PIPE USR1
# Close inherited descriptors: a process that reads from one of those pipes would otherwise wait for us.
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-

while read -r word; do
    [ "$word" != end ] || break
    rm -f "$1/$word"
done
