# Every interactive bash: the first of a terminal (by way of /etc/profile) and those started in it.
[ -z "${PS1-}" ] && return
shopt -s checkwinsize
PS1='\[\e[1m\]\h\[\e[0m\]:\w\$ '
alias ls='ls --color=auto' grep='grep --color=auto' ll='ls -l'
