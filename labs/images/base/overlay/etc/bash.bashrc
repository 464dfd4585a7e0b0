# Every interactive bash: the first of a terminal (by way of /etc/profile) and those started in it.
[ -z "${PS1-}" ] && return
shopt -s checkwinsize
# By the variable: bash asks once for what \h stands for, and a VM may be called something else by then.
PS1='\[\e[1m\]$HOSTNAME\[\e[0m\]:\w\$ '
alias ls='ls --color=auto' grep='grep --color=auto' ll='ls -l'
