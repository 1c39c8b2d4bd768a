// Sets the text and starts a process that reads it.
//
//     cc parent.c -o parent $(pkg-config --cflags --libs sharedmem)
//     cc child.c -o child $(pkg-config --cflags --libs sharedmem)
//     ./parent ./child

#include <sharedmem.h>

#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char *argv[]) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s CHILD\n", argv[0]);
        return 64;
    }

    // The library attached to the segment when it was loaded, before main.
    printf("Process is writing to shared memory...\n\n");
    fflush(stdout);
    SetSharedMem(L"Esta es una cadena de prueba");
    if (*sharedmem_last_error()) {
        fprintf(stderr, "%s: %s\n", argv[0], sharedmem_last_error());
        return 1;
    }

    pid_t child;
    int error = posix_spawn(&child, argv[1], NULL, NULL, (char *[]){argv[1], NULL}, environ);
    if (error) {
        fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(error));
        return 1;
    }

    // The text disappears with the last attached process, so this one stays until the child has read the text.
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
    return WEXITSTATUS(status);
}
