
/* Kiln: selects one of the mutants of this file when the program starts. */
static int kiln_mutant;

static __attribute__((unused)) void kiln_mutant_reached(void)
{
    static int is_done;
    const char *path = getenv("KILN_MUTANT_REACHED");

    if (!is_done && path) {
        FILE *file = fopen(path, "a");

        is_done = 1;
        if (file) {
            fclose(file);
        }
    }
}

static __attribute__((constructor)) void kiln_mutant_select(void)
{
    static const char *const names[] = { @NAMES@ };
    const char *name = getenv("KILN_MUTANT");
    unsigned i;

    for (i = 0; name && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            kiln_mutant = i + 1;
        }
    }
}

