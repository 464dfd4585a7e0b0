// A guest's root at the devices that QEMU makes for it: garbage to whatever can be written to. Each attempt goes on for
// TRIES_S, or until the guest has broken something that it needs itself.
#include "attempt.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum { TRIES_S = 1, PAGE = 4096, FW_CFG_SELECTOR = 0x510, FW_CFG_DMA = 0x514 };

static bool goes_on(void) {
    static time_t end;
    if (end == 0)
        end = time(NULL) + TRIES_S;
    return time(NULL) < end;
}

static uint32_t any(void) {
    // Edges more often than what lies between them.
    static const uint32_t edges[] = {0, 1, 0xff, 0x7fffffff, 0x80000000, 0xffffffff};
    return rand() % 4 ? (uint32_t)rand() << 1 ^ (uint32_t)rand() : edges[(unsigned)rand() % 6];
}

// Ports at which a write is a reset or a power switch, which ends QEMU as it should, and the attempt with it.
static bool ends_the_machine(unsigned short port) {
    return port == 0x92 || port == 0xcf9 || (port >= 0x600 && port < 0x680) || port == 0x64 || port == 0xb2;
}

// poke_ports: every I/O port, in all three widths.
ATTEMPT(poke_ports) {
    long count = 0;
    if (iopl(3) < 0)
        return stopped("iopl");
    for (; goes_on(); count++) {
        // Mostly where q35 has something; configuration space by its two ports is written whole.
        unsigned short port = (unsigned short)(rand() % 4 ? any() % 0x600 : any());
        if (ends_the_machine(port) || ends_the_machine((unsigned short)(port + 3)))
            continue;
        if (count % 3 == 0)
            outb((unsigned char)any(), port);
        else if (count % 3 == 1)
            outw((unsigned short)any(), port);
        else
            outl(any(), port);
    }
    return got("to write to ports %ld times", count);
}

static int for_each(const char *pattern, long (*attack)(int fd, size_t size), const char *what) {
    glob_t found;
    long count = 0;
    if (glob(pattern, 0, NULL, &found) != 0)
        return stopped_because("there is no %s", pattern);
    while (goes_on())
        for (size_t i = 0; i < found.gl_pathc; i++) {
            int fd = open(found.gl_pathv[i], O_RDWR);
            struct stat status;
            if (fd >= 0 && fstat(fd, &status) == 0)
                count += attack(fd, (size_t)status.st_size);
            if (fd >= 0)
                close(fd);
        }
    globfree(&found);
    return count > 0 ? got("to write to %s %ld times", what, count) : stopped(what);
}

static long poke_one_config(int fd, size_t size) {
    long count = 0;
    for (int i = 0; i < 64; i++) {
        uint32_t value = any();
        count += pwrite(fd, &value, sizeof value, (off_t)(any() % size & ~3u)) > 0;
    }
    return count;
}

// poke_pci: configuration space, base addresses included, of all that is on the bus.
ATTEMPT(poke_pci) {
    return for_each("/sys/bus/pci/devices/*/config", poke_one_config, "configuration space");
}

static long poke_one_window(int fd, size_t size) {
    volatile uint8_t *window = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    long count = 0;
    if (window == MAP_FAILED) { // ports: written by their file
        for (int i = 0; i < 64; i++) {
            uint32_t value = any();
            count += pwrite(fd, &value, 1u << (unsigned)rand() % 3, (off_t)(any() % size & ~3u)) > 0;
        }
        return count;
    }
    for (; count < 4096; count++) {
        size_t at = any() % size & ~7u;
        if (count % 2)
            *(volatile uint32_t *)(window + at) = any();
        else
            window[at] = (uint8_t)any();
    }
    munmap((void *)window, size);
    return count;
}

// poke_windows: the registers of every device, where the bus has put them.
ATTEMPT(poke_windows) {
    return for_each("/sys/bus/pci/devices/*/resource[0-9]", poke_one_window, "registers");
}

// Where in the guest's memory a page of this process is.
static uint64_t physical(const void *at) {
    uint64_t entry = 0;
    int map = open("/proc/self/pagemap", O_RDONLY);
    if (pread(map, &entry, sizeof entry, (off_t)((uintptr_t)at / PAGE * sizeof entry)) < 0)
        entry = 0;
    close(map);
    return (entry & ((1ull << 55) - 1)) * PAGE + (uintptr_t)at % PAGE;
}

static void *locked_pages(size_t count) {
    void *pages = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

// Outside of memory, at its end, at registers (devices that write to devices: CVE-2021-3929), and itself.
static uint64_t wild_address(uint64_t own) {
    const uint64_t wild[] = {own,        0,          0xffffffffffffffff, 0xfffffffffffff000, 0x8000000000000000,
                             0xfee00000, 0xfec00000, 0xb0000000,         0xfe000000,         256ull << 20};
    return rand() % 2 ? own : wild[(unsigned)rand() % 10];
}

// fw_cfg_dma: orders to the firmware's channel, whose results it is to write where the guest says.
ATTEMPT(fw_cfg_dma) {
    struct {
        uint32_t control, length;
        uint64_t address;
    } *order = locked_pages(4);
    long count = 0;
    if (!order || iopl(3) < 0)
        return stopped("iopl");
    for (; goes_on(); count++) {
        uint64_t own = physical(order), at = wild_address(own);
        order->control = htobe32(any() & (rand() % 2 ? 0xffff001fu : ~0u));
        order->length = htobe32(any());
        order->address = htobe64(wild_address(own));
        outw((unsigned short)any(), FW_CFG_SELECTOR);
        outl(htobe32((uint32_t)(at >> 32)), FW_CFG_DMA);
        outl(htobe32((uint32_t)at), FW_CFG_DMA + 4);
    }
    return got("to give %ld orders", count);
}

// Where a virtio device's structure of one type is (virtio 1.2, 4.1.4): its window and the offset in it.
static bool find_structure(int config, uint8_t type, uint8_t *window, uint32_t *offset) {
    uint8_t head[16], at = 0;
    if (pread(config, &at, 1, 0x34) != 1)
        return false;
    for (int hops = 0; at && hops < 48; at = head[1], hops++) {
        if (pread(config, head, sizeof head, at) != sizeof head)
            return false;
        if (head[0] == 9 && head[3] == type) {
            *window = head[4];
            memcpy(offset, head + 8, sizeof *offset);
            return true;
        }
    }
    return false;
}

typedef struct virtio_device {
    volatile uint8_t *common, *notify;
} virtio_device;

static volatile uint8_t *map_structure(const char *device, int config, uint8_t type) {
    char path[300];
    uint8_t window;
    uint32_t offset;
    struct stat status;
    if (!find_structure(config, type, &window, &offset))
        return NULL;
    snprintf(path, sizeof path, "%s/resource%d", device, window);
    int fd = open(path, O_RDWR);
    if (fd < 0 || fstat(fd, &status) < 0)
        return NULL;
    volatile uint8_t *all = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return all == MAP_FAILED ? NULL : all + offset;
}

static void put16(volatile uint8_t *at, uint16_t value) {
    *(volatile uint16_t *)at = value;
}
static void put32(volatile uint8_t *at, uint32_t value) {
    *(volatile uint32_t *)at = value;
}
static void put64(volatile uint8_t *at, uint64_t value) {
    put32(at, (uint32_t)value);
    put32(at + 4, (uint32_t)(value >> 32));
}

// A table of buffers that are chained in circles, lie outside of memory, and are longer than there is any.
static void fill_rings(uint8_t *pages) {
    struct {
        uint64_t address;
        uint32_t length;
        uint16_t flags, next;
    } *table = (void *)pages;
    for (int i = 0; i < 128; i++) {
        table[i].address = wild_address(physical(pages + 3 * PAGE));
        table[i].length = any();
        table[i].flags = (uint16_t)(any() & 7);
        table[i].next = (uint16_t)(any() % 160);
    }
    uint16_t *available = (uint16_t *)(pages + PAGE);
    for (int i = 2; i < 2048; i++)
        available[i] = (uint16_t)(any() % 160);
    available[0] = 0;
    available[1] = (uint16_t)(rand() % 2 ? 128 : any()); // that many are said to be there
    for (int i = 0; i < PAGE / 4; i++)
        ((uint32_t *)(pages + 3 * PAGE))[i] = any(); // what is said on control and data queues
}

// The driver's part of setting a device up (virtio 1.2, 3.1.1), with queues that are none.
static void set_up_wildly(virtio_device d, uint8_t *pages) {
    d.common[20] = 0;
    d.common[20] = 1 | 2;
    for (uint32_t half = 0; half < 2; half++) {
        put32(d.common + 8, half);
        put32(d.common + 12, half == 1 ? 1 : any()); // VIRTIO_F_VERSION_1 is bit 32
    }
    d.common[20] = 1 | 2 | 8;
    for (uint16_t queue = 0; queue < 8; queue++) {
        fill_rings(pages);
        put16(d.common + 22, queue);
        put16(d.common + 24, (uint16_t)(rand() % 2 ? 128 : any()));
        put64(d.common + 32, wild_address(physical(pages)));
        put64(d.common + 40, wild_address(physical(pages + PAGE)));
        put64(d.common + 48, wild_address(physical(pages + 2 * PAGE)));
        put16(d.common + 28, 1);
    }
    d.common[20] = 1 | 2 | 4 | 8;
    for (int queue = 0; queue < 8; queue++)
        put16(d.notify + 4 * queue, (uint16_t)queue);
}

// Takes the device from its driver, which would not share its registers, and lets it read and write memory (PCI's
// command register: bits 0 to 2).
static void take_device(const char *device, int config) {
    const uint16_t all = 7;
    int driver = open("/sys/bus/pci/drivers/virtio-pci/unbind", O_WRONLY);
    const char *name = strrchr(device, '/') + 1;
    if (write(driver, name, strlen(name)) < 0 || pwrite(config, &all, sizeof all, 4) < 0)
        perror(device);
    close(driver);
}

// wild_queues KIND: the disk (1) or the serial ports (3), told to take its orders from anywhere.
ATTEMPT(wild_queues) {
    uint8_t *pages = locked_pages(4);
    glob_t found;
    long count = 0;
    if (!pages || glob("/sys/bus/pci/devices/*", 0, NULL, &found) != 0)
        return stopped("glob");
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char path[300];
        uint16_t id[2] = {0};
        snprintf(path, sizeof path, "%s/config", found.gl_pathv[i]);
        int config = open(path, O_RDWR);
        if (pread(config, id, sizeof id, 0) != sizeof id || id[0] != 0x1af4 || (id[1] & 0xf) != atoi(args[0]))
            continue;
        take_device(found.gl_pathv[i], config);
        virtio_device d = {map_structure(found.gl_pathv[i], config, 1), map_structure(found.gl_pathv[i], config, 2)};
        if (!d.common || !d.notify)
            return stopped("registers");
        for (; goes_on(); count++)
            set_up_wildly(d, pages);
    }
    return count > 0 ? got("to set it up %ld times", count) : stopped_because("there is no such device");
}

// flood_serial: everything the serial port takes, by its ports and by its driver.
ATTEMPT(flood_serial) {
    static char flood[65536];
    int line = open("/dev/ttyS0", O_WRONLY | O_NOCTTY);
    long count = 0;
    if (line < 0 || iopl(3) < 0)
        return stopped("open");
    for (size_t i = 0; i < sizeof flood; i++)
        flood[i] = (char)any();
    while (goes_on()) {
        for (int i = 0; i < 20000; i++, count++)
            outb((unsigned char)any(), 0x3f8);
        ssize_t put = write(line, flood, 4096);
        count += put > 0 ? put : 0;
    }
    return got("to send %ld bytes", count);
}
