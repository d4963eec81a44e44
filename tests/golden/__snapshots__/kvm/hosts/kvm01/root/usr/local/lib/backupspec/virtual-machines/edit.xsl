<!-- Compiled by backupspec from hosts.kvm01; change the inventory, not this file. -->
<!-- A stored definition with its disks where they were restored to. Parameters: `disks`, lines of target, path and format between tabs;
     `uuid` for the identity of the one that it takes the place of; `name` for a copy beside the original; `console` for a copy that is only
     booted, and writes there what it would write to its serial console; `trusted`, files that the original is booted from now, one a line.
     Who can write into the repository can write any definition. So a copy has what is named below and nothing else: no other program or
     file of the host, no device, socket or network of it, and nothing that there can be only one of. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml"/>
  <xsl:param name="disks"/>
  <xsl:param name="name"/>
  <xsl:param name="uuid"/>
  <xsl:param name="console"/>
  <xsl:param name="trusted"/>

  <xsl:template match="/">
    <xsl:choose>
      <xsl:when test="$name != ''"><xsl:apply-templates select="domain" mode="copy"/></xsl:when>
      <xsl:otherwise><xsl:apply-templates select="@*|node()"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/uuid">
    <uuid>
      <xsl:choose>
        <xsl:when test="$uuid != ''"><xsl:value-of select="$uuid"/></xsl:when>
        <xsl:otherwise><xsl:value-of select="."/></xsl:otherwise>
      </xsl:choose>
    </uuid>
  </xsl:template>

  <xsl:template match="/domain/devices/disk[not(@device) or @device='disk' or @device='lun']">
    <xsl:choose>
      <xsl:when test="contains(concat('&#10;', $disks), concat('&#10;', target/@dev, '&#9;'))"><xsl:call-template name="disk"/></xsl:when>
      <xsl:otherwise><xsl:copy-of select="."/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- An element with its attributes, its text and all that is in it. -->
  <xsl:template match="*" mode="plain">
    <xsl:element name="{local-name()}">
      <xsl:copy-of select="@*[namespace-uri() = '']"/>
      <xsl:apply-templates select="*[namespace-uri() = ''] | text()" mode="plain"/>
    </xsl:element>
  </xsl:template>
  <!-- It names a thread that a copy does not have. -->
  <xsl:template match="driver" mode="plain">
    <driver><xsl:copy-of select="@queues | @max_sectors | @cmd_per_lun | @intremap | @caching_mode | @eim | @aw_bits"/></driver>
  </xsl:template>

  <xsl:template match="domain" mode="copy">
    <domain type="qemu">
      <xsl:if test="@type = 'kvm'"><xsl:attribute name="type">kvm</xsl:attribute></xsl:if>
      <name><xsl:value-of select="$name"/></name>
      <xsl:if test="$uuid != ''"><uuid><xsl:value-of select="$uuid"/></uuid></xsl:if>
      <xsl:apply-templates select="title | description | maxMemory | memory | currentMemory" mode="plain"/>
      <xsl:for-each select="vcpu">
        <vcpu><xsl:copy-of select="@current"/><xsl:value-of select="."/></vcpu>
      </xsl:for-each>
      <xsl:for-each select="os">
        <os>
          <xsl:copy-of select="@firmware"/>
          <xsl:apply-templates select="type | firmware | boot | bootmenu | bios" mode="plain"/>
          <xsl:for-each select="loader | kernel | initrd | dtb">
            <xsl:if test="not(contains(., '&#10;')) and contains(concat('&#10;', $trusted, '&#10;'), concat('&#10;', ., '&#10;')) or self::loader and . = ''
                or self::loader and (starts-with(., '/usr/share/OVMF/') or starts-with(., '/usr/share/AAVMF/') or starts-with(., '/usr/share/qemu/')) and not(contains(., '..'))">
              <xsl:apply-templates select="." mode="plain"/>
              <xsl:if test="self::kernel"><xsl:apply-templates select="../cmdline" mode="plain"/></xsl:if>
            </xsl:if>
          </xsl:for-each>
        </os>
      </xsl:for-each>
      <xsl:apply-templates select="cpu | features | clock | pm" mode="plain"/>
      <xsl:if test="$console = ''"><xsl:apply-templates select="on_poweroff | on_reboot" mode="plain"/></xsl:if>
      <xsl:apply-templates select="devices" mode="copy"/>
    </domain>
  </xsl:template>

  <xsl:template match="devices" mode="copy">
    <devices>
      <xsl:for-each select="disk">
        <xsl:choose>
          <xsl:when test="not(@device) or @device = 'disk' or @device = 'lun'"><xsl:call-template name="disk"/></xsl:when>
          <xsl:when test="$console = '' and (@device = 'cdrom' or @device = 'floppy')">
            <disk type="file" device="{@device}">
              <target><xsl:copy-of select="target/@dev | target/@bus"/></target>
              <readonly/>
              <xsl:apply-templates select="address" mode="plain"/>
            </disk>
          </xsl:when>
        </xsl:choose>
      </xsl:for-each>
      <xsl:apply-templates select="controller | hub | iommu | panic" mode="plain"/>
      <xsl:for-each select="input[@type = 'tablet' or @type = 'mouse' or @type = 'keyboard']">
        <input>
          <xsl:copy-of select="@type | @bus | @model"/>
          <xsl:apply-templates select="address" mode="plain"/>
        </input>
      </xsl:for-each>
      <xsl:for-each select="channel[@type = 'unix' and target/@type = 'virtio' and target/@name = 'org.qemu.guest_agent.0']">
        <channel type="unix">
          <target type="virtio" name="org.qemu.guest_agent.0"/>
          <xsl:apply-templates select="address" mode="plain"/>
        </channel>
      </xsl:for-each>
      <xsl:for-each select="video">
        <video>
          <model><xsl:copy-of select="model/@type | model/@ram | model/@vram | model/@vgamem | model/@heads | model/@primary"/></model>
          <xsl:apply-templates select="address" mode="plain"/>
        </video>
      </xsl:for-each>
      <xsl:for-each select="rng[backend/@model = 'random' or backend/@model = 'builtin']">
        <rng>
          <xsl:copy-of select="@model"/>
          <xsl:apply-templates select="rate" mode="plain"/>
          <xsl:choose>
            <xsl:when test="backend/@model = 'random'"><backend model="random">/dev/urandom</backend></xsl:when>
            <xsl:otherwise><backend model="builtin"/></xsl:otherwise>
          </xsl:choose>
          <xsl:apply-templates select="address" mode="plain"/>
        </rng>
      </xsl:for-each>
      <xsl:for-each select="memballoon | watchdog">
        <xsl:element name="{local-name()}">
          <xsl:copy-of select="@model | @autodeflate | @freePageReporting"/>
          <!-- Another one writes what the guest has in memory to a file. -->
          <xsl:copy-of select="@action[. = 'reset' or . = 'poweroff' or . = 'shutdown' or . = 'none' or . = 'pause' or . = 'inject-nmi']"/>
          <xsl:apply-templates select="address" mode="plain"/>
        </xsl:element>
      </xsl:for-each>
      <xsl:choose>
        <xsl:when test="$console != ''">
          <serial type="file"><source path="{$console}"/><target port="0"/></serial>
        </xsl:when>
        <xsl:otherwise>
          <xsl:for-each select="serial | console">
            <xsl:element name="{local-name()}">
              <xsl:attribute name="type">pty</xsl:attribute>
              <xsl:apply-templates select="target | address" mode="plain"/>
            </xsl:element>
          </xsl:for-each>
          <!-- To be seen on this host alone. -->
          <xsl:for-each select="graphics[@type = 'vnc' or @type = 'spice']">
            <graphics type="{@type}" autoport="yes"><xsl:copy-of select="@passwd | @keymap"/></graphics>
          </xsl:for-each>
          <xsl:for-each select="sound">
            <sound model="{@model}"><xsl:apply-templates select="address" mode="plain"/></sound>
          </xsl:for-each>
        </xsl:otherwise>
      </xsl:choose>
    </devices>
  </xsl:template>

  <xsl:template name="disk">
    <xsl:variable name="line" select="substring-after(concat('&#10;', $disks), concat('&#10;', translate(target/@dev, '&#9;&#10;', '??'), '&#9;'))"/>
    <xsl:if test="$line != ''">
      <disk type="file" device="disk">
        <driver name="qemu" type="{substring-before(substring-after($line, '&#9;'), '&#10;')}">
          <xsl:copy-of select="driver/@cache | driver/@io | driver/@discard | driver/@detect_zeroes"/>
        </driver>
        <source file="{substring-before($line, '&#9;')}"/>
        <target><xsl:copy-of select="target/@*[namespace-uri() = '']"/></target>
        <xsl:apply-templates select="serial | boot | address | wwn | vendor | product" mode="plain"/>
        <xsl:if test="$name = ''"><xsl:copy-of select="alias"/></xsl:if>
      </disk>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
