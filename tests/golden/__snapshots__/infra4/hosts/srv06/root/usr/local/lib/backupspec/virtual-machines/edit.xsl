<!-- Compiled by backupspec from hosts.srv06; change the inventory, not this file. -->
<!-- A stored definition with its disks where they were restored to. Parameters: `disks`, lines of target, path and format between tabs;
     `name` for a copy beside the original; `uuid` for the identity of the one that it takes the place of; `console` for a copy that is
     only booted, and writes there what it would write to its serial console. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml"/>
  <xsl:param name="disks"/>
  <xsl:param name="name"/>
  <xsl:param name="uuid"/>
  <xsl:param name="console"/>
  <xsl:variable name="copy" select="$name != ''"/>

  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/name">
    <xsl:copy>
      <xsl:choose>
        <xsl:when test="$copy"><xsl:value-of select="$name"/></xsl:when>
        <xsl:otherwise><xsl:value-of select="."/></xsl:otherwise>
      </xsl:choose>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/uuid">
    <xsl:choose>
      <xsl:when test="$uuid != ''"><uuid><xsl:value-of select="$uuid"/></uuid></xsl:when>
      <xsl:when test="not($copy)"><xsl:copy-of select="."/></xsl:when>
    </xsl:choose>
  </xsl:template>

  <!-- Of these there can be one at a time on a network, on this host, or with this identity. -->
  <xsl:template match="/domain/genid | /domain/seclabel | /domain/os/nvram | /domain/devices/interface | /domain/devices/hostdev | /domain/devices/redirdev | /domain/devices/graphics/@port | /domain/devices/graphics/@tlsPort | /domain/devices/graphics/@websocket">
    <xsl:if test="not($copy)"><xsl:copy-of select="."/></xsl:if>
  </xsl:template>

  <!-- What a boot alone does not need, and might not find. -->
  <xsl:template match="/domain/devices/serial | /domain/devices/console | /domain/devices/graphics | /domain/devices/sound | /domain/devices/audio | /domain/devices/filesystem | /domain/devices/shmem | /domain/devices/tpm | /domain/devices/smartcard | /domain/devices/parallel | /domain/cputune | /domain/numatune | /domain/on_reboot | /domain/on_crash">
    <xsl:if test="$console = ''"><xsl:copy-of select="."/></xsl:if>
  </xsl:template>

  <xsl:template match="/domain/devices/disk[@device='cdrom' or @device='floppy']">
    <xsl:if test="$console = ''"><xsl:copy-of select="."/></xsl:if>
  </xsl:template>

  <xsl:template match="/domain/devices">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      <xsl:if test="$console != ''">
        <serial type="file"><source path="{$console}"/><target port="0"/></serial>
      </xsl:if>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/devices/disk[not(@device) or @device='disk' or @device='lun']">
    <xsl:variable name="line" select="substring-after(concat('&#10;', $disks), concat('&#10;', target/@dev, '&#9;'))"/>
    <xsl:choose>
      <xsl:when test="$line != ''">
        <disk type="file" device="disk">
          <driver name="qemu" type="{substring-before(substring-after($line, '&#9;'), '&#10;')}">
            <xsl:copy-of select="driver/@cache | driver/@io | driver/@discard | driver/@detect_zeroes"/>
          </driver>
          <source file="{substring-before($line, '&#9;')}"/>
          <xsl:copy-of select="target | serial | boot | address | wwn | vendor | product | alias"/>
        </disk>
      </xsl:when>
      <xsl:when test="not($copy)"><xsl:copy-of select="."/></xsl:when>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
