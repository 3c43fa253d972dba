cd /tmp/sess; rm -f f1 rdy; mkfifo f1; /usr/bin/python3 late.py $1 $2 <f1 & P=$!; exec 5>f1; sleep 0.5
./ssltape record -p $P --ready-file rdy -o late.har & R=$!; while [ ! -e rdy ]; do sleep 0.05; done; echo go >&5; wait $R; echo code $?
