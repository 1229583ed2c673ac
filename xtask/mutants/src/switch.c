/* Kiln: selects one of the mutants of this file when the program starts, and notes whose statement ran. */
static int kiln_mutant;
static const char *const kiln_mutant_names[] = { @NAMES@ };

static __attribute__((unused)) void kiln_mutant_reached(unsigned number)
{
    static char is_done[sizeof(kiln_mutant_names) / sizeof(kiln_mutant_names[0])];
    const char *path = getenv("KILN_MUTANT_REACHED");

    if (!is_done[number - 1] && path) {
        FILE *file = fopen(path, "a");

        is_done[number - 1] = 1;
        if (file) {
            fprintf(file, "%s\n", kiln_mutant_names[number - 1]);
            fclose(file);
        }
    }
}

static __attribute__((constructor)) void kiln_mutant_select(void)
{
    const char *name = getenv("KILN_MUTANT");
    unsigned i;

    for (i = 0; name && i < sizeof(kiln_mutant_names) / sizeof(kiln_mutant_names[0]); i++) {
        if (strcmp(name, kiln_mutant_names[i]) == 0) {
            kiln_mutant = i + 1;
        }
    }
}
