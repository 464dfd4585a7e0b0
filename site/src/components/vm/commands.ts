// What the buttons of the experiments type. Commands are the same in every language.

/** Prints the time ten times a second, so that a pause can be seen. */
export const PRINT_TIME = 'while sleep 0.1; do date +%T.%1N; done';

/** Asks a kernel to crash (sysrq.rst, "c"). */
export const CRASH = 'echo c > /proc/sysrq-trigger';
