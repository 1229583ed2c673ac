/* What the firmware reports, by the client interface of IEEE 1275, and RTAS. */

#include "cpu.h"

#define HOST_BRIDGE "/pci@800000020000000"
#define TERMINAL "/vdevice/vty@71000000"
#define NONE (~0u)
/* The kind of a range (IEEE 1275, PCI bus binding): memory with 32 bits. */
#define RANGE_KIND 0x03000000
#define RANGE_MEMORY 0x02000000
/* Cells of a range: three of the bus, two of the processor, two of the size. */
#define RANGE_CELLS 7

uint64_t client_call(void *arguments);

struct machine machine;

static const char *const names[RTAS_SERVICES] = {
    [RTAS_POWER_OFF] = "power-off",
    [RTAS_START_CPU] = "start-cpu",
    [RTAS_READ_CONFIGURATION] = "ibm,read-pci-config",
    [RTAS_WRITE_CONFIGURATION] = "ibm,write-pci-config",
    [RTAS_CHANGE_MSI] = "ibm,change-msi",
    [RTAS_INTERRUPT_SOURCE] = "ibm,query-interrupt-source-number",
    [RTAS_SET_XIVE] = "ibm,set-xive",
};

/* Calls a service with up to four arguments: its first result. */
static uint32_t client(const char *service, unsigned inputs, const uint32_t arguments[4])
{
    uint32_t call[3 + 4 + 1] = {(uint32_t)(uintptr_t)service, inputs, 1};

    for (unsigned input = 0; input < inputs; input++)
        call[3 + input] = arguments[input];
    call[3 + inputs] = NONE;
    return client_call(call) ? NONE : call[3 + inputs];
}

static uint32_t node_at(const char *path)
{
    return client("finddevice", 1, (uint32_t[4]){(uint32_t)(uintptr_t)path});
}

/* Reads a property: its size, or NONE. */
static uint32_t property(uint32_t node, const char *name, void *value, size_t size)
{
    const uint32_t arguments[4] = {node, (uint32_t)(uintptr_t)name, (uint32_t)(uintptr_t)value, (uint32_t)size};

    return client("getprop", 4, arguments);
}

static uint64_t cells(const uint32_t *value)
{
    return (uint64_t)value[0] << 32 | value[1];
}

static void read_processors(void)
{
    uint32_t node = client("child", 1, (uint32_t[4]){node_at("/cpus")});

    for (; node && node != NONE; node = client("peer", 1, (uint32_t[4]){node})) {
        char kind[8] = "";
        uint32_t servers[8];

        property(node, "device_type", kind, sizeof kind - 1);
        if (strcmp(kind, "cpu") != 0)
            continue;
        property(node, "timebase-frequency", &machine.timebase_hertz, sizeof machine.timebase_hertz);
        uint32_t size = property(node, "ibm,ppc-interrupt-server#s", servers, sizeof servers);
        for (unsigned thread = 0; size != NONE && 4 * thread < size && machine.processors < 8; thread++)
            machine.server[machine.processors++] = servers[thread];
    }
}

static void read_bridge(void)
{
    uint32_t node = node_at(HOST_BRIDGE), ranges[8 * RANGE_CELLS], window[5];

    property(node, "reg", machine.bridge, sizeof machine.bridge);
    uint32_t size = property(node, "ranges", ranges, sizeof ranges);
    for (const uint32_t *range = ranges; size != NONE && size >= 4 * RANGE_CELLS; size -= 4 * RANGE_CELLS) {
        if ((range[0] & RANGE_KIND) == RANGE_MEMORY)
            machine.window = (struct pci_window){
                .bus = cells(range + 1),
                .start = cells(range + 3),
                .size = cells(range + 5),
            };
        range += RANGE_CELLS;
    }
    if (property(node, "ibm,dma-window", window, sizeof window) == sizeof window) {
        machine.dma_window = window[0];
        machine.dma_start = cells(window + 1);
    }
}

void firmware_read(void)
{
    uint32_t node = node_at("/rtas");

    for (unsigned service = 0; service < RTAS_SERVICES; service++)
        property(node, names[service], &machine.services[service], sizeof machine.services[service]);
    property(node_at("/chosen"), "bootargs", machine.command_line, sizeof machine.command_line - 1);
    property(node_at(TERMINAL), "reg", &machine.terminal, sizeof machine.terminal);
    read_processors();
    read_bridge();
}

int32_t rtas(enum service service, unsigned inputs, unsigned outputs, const uint32_t *arguments, uint32_t *results)
{
    uint32_t call[3 + 8 + 8] = {machine.services[service], inputs, outputs};

    for (unsigned input = 0; input < inputs; input++)
        call[3 + input] = arguments[input];
    if (hypervisor_call(H_RTAS, (uint64_t[4]){(uintptr_t)call}, NULL))
        return -1;
    for (unsigned output = 0; output + 1 < outputs; output++)
        results[output] = call[3 + inputs + 1 + output];
    return (int32_t)call[3 + inputs];
}
