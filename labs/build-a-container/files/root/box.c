// box: runs a program in a container.
//     ./box ROOT PROGRAM [ARGUMENT...]
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// What the new process shall not share with us: clone(2) has a list.
#define APART 0

// Ends the program if something that must work did not.
static void must(const char *what, long result) {
    if (result < 0)
        err(1, "%s", what);
}

// Writes a text into a file of the kernel's.
static void put(const char *path, const char *text) {
    int file = open(path, O_WRONLY);
    must(path, file);
    must(path, write(file, text, strlen(text)));
    close(file);
}

// Outside, while the new process waits: what nobody may do to himself.
static void look_after(pid_t pid) {
    char path[64], number[16];
    sprintf(number, "%d", pid);

    // STEP 5: ids

    // STEP 7: limits

}

// Inside: makes itself at home in ROOT, and becomes PROGRAM.
static void move_in(const char *root, char **program) {
    // STEP 5: who am I?

    // STEP 6: a root of its own

    // STEP 7: privileges

    // Whoever ends box ends what is in it.
    must("parent", prctl(PR_SET_PDEATHSIG, SIGKILL));
    execv(program[0], program);
    err(127, "%s", program[0]);
}

int main(int argc, char **argv) {
    int ready[2], status;
    char go;
    if (argc < 3)
        errx(2, "usage: %s ROOT PROGRAM [ARGUMENT...]", argv[0]);
    must("pipe", pipe(ready));
    // As fork(), and apart.
    pid_t pid = syscall(SYS_clone, APART | SIGCHLD, 0, 0, 0, 0);
    must("clone", pid);
    if (pid == 0) {
        close(ready[1]);
        // Without a word from outside it must not begin: whoever looks after it may have failed.
        if (read(ready[0], &go, 1) != 1)
            return 1;
        move_in(argv[1], argv + 2);
    }
    look_after(pid);
    must("pipe", write(ready[1], "!", 1));
    must("wait", waitpid(pid, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
