// What is offered to be run in both. Commands are the same in every language.

export const SUGGESTIONS = [
  'uname -r',
  'cat /proc/1/comm',
  'free -m',
  'dmesg | tail -3',
  'nproc',
  'ps aux | wc -l',
] as const;
